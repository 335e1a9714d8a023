// The options of `holdfast engine ...`, as they are typed.

export type EngineOptions = {
  readonly journal?: string;
  readonly user?: string;
  readonly passwordFile?: string;
  readonly replicationPasswordFile?: string;
  readonly patroniPort?: string;
};

export type PromoteOptions = EngineOptions & {
  readonly to?: string;
  readonly quorum?: string;
  readonly yes?: boolean;
};

export type RejoinOptions = EngineOptions & {
  readonly dataFolder?: string;
  readonly binFolder?: string;
  readonly label?: string;
  readonly yes?: boolean;
};
